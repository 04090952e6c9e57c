// The inside view: the members of a body that are not the conversation's.
#include <algorithm>

#include "base/error.h"
#include "server/api/call.h"

namespace fathom::server {

ApiCall::Inside take_inside(JsonValue& body) {
  ApiCall::Inside inside;
  IgnoredFields none;
  Fields fields(body, "", none);
  inside.position = fields.integer("position", 0, std::numeric_limits<int64_t>::max());
  for (const Fields::Item& item : fields.items("answer_ids", SIZE_MAX)) {
    const auto* digits = item.value->as_integer();
    if (!digits || digits->digits.size() > 10 || digits->digits.front() == '-')
      refuse(item.path, "expected a token id, found {}", quoted(*item.value));
    inside.answer_ids.push_back(std::stoll(digits->digits));
  }
  JsonValue::Object rest = *body.as_object();
  std::erase_if(rest, [](const JsonMember& m) { return m.key == "position" || m.key == "answer_ids"; });
  body = std::move(rest);
  return inside;
}

}  // namespace fathom::server
