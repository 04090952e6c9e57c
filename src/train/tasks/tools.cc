// Tool calls in the prompt encoding's form, answers from their results, facts as JSON.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "train/tasks/family.h"
#include "train/tasks/words.h"

namespace fathom {
namespace {

using Json = nlohmann::ordered_json;

struct Request {
  std::string question;
  Json arguments;
};
struct Tool {
  const char *name, *description;
  std::vector<std::pair<const char*, const char*>> parameters;  // name, type
  Request (*ask)(Draw& draw);
};

const std::vector<Tool>& tools() {
  static const std::vector<Tool> list = {
      {"get_weather",
       "Weather of a city",
       {{"city", "string"}},
       [](Draw& draw) {
         const std::string city(draw.pick(words::cities()));
         return Request{draw.chance(0.5) ? fmt::format("What is the weather in {}?", city)
                                         : fmt::format("How warm is it in {} today?", city),
                        {{"city", city}}};
       }},
      {"multiply",
       "Product of two numbers",
       {{"a", "integer"}, {"b", "integer"}},
       [](Draw& draw) {
         const int64_t a = draw.number(draw.between(3, 6)), b = draw.number(draw.between(3, 6));
         return Request{fmt::format("Use the tool to multiply {} by {}.", a, b), {{"a", a}, {"b", b}}};
       }},
      {"set_alarm",
       "Sets an alarm",
       {{"time", "string"}},
       [](Draw& draw) {
         const std::string time = fmt::format("{:02}:{:02}", draw.below(24), draw.below(12) * 5);
         return Request{draw.chance(0.5) ? fmt::format("Wake me up at {}.", time)
                                         : fmt::format("Set an alarm for {}.", time),
                        {{"time", time}}};
       }},
      {"send_message",
       "Sends a message to a person",
       {{"to", "string"}, {"text", "string"}},
       [](Draw& draw) {
         const std::string name(draw.pick(words::names()));
         const std::string text(
             draw.pick({"I am late", "see you soon", "happy birthday", "call me", "good night"}));
         return Request{fmt::format("Write to {}: {}.", name, text), {{"to", name}, {"text", text}}};
       }},
  };
  return list;
}

JsonValue function_of(const Tool& tool) {
  JsonValue::Object properties;
  JsonValue::Array required;
  for (const auto& [key, type] : tool.parameters) {
    properties.push_back({key, JsonValue::Object{{"type", type}}});
    required.emplace_back(key);
  }
  return JsonValue::Object{{"name", tool.name},
                           {"description", tool.description},
                           {"parameters", JsonValue::Object{{"type", "object"},
                                                            {"properties", std::move(properties)},
                                                            {"required", std::move(required)}}}};
}

// What a tool gives back, and the sentence made of it.
std::pair<std::string, std::string> result_of(Draw& draw, const Tool& tool, const Json& arguments) {
  const std::string_view name = tool.name;
  if (name == "get_weather") {
    const int64_t degrees = draw.between(0, 35);
    const auto sky = draw.pick({"sunny", "cloudy", "rainy", "windy"});
    return {
        fmt::format("{{\"degrees\": {}, \"sky\": \"{}\"}}", degrees, sky),
        fmt::format("In {} it is {} and {} degrees.", arguments["city"].get<std::string>(), sky, degrees)};
  }
  if (name == "multiply") {
    const int64_t product = arguments["a"].get<int64_t>() * arguments["b"].get<int64_t>();
    return {fmt::to_string(product), fmt::format("The product is {}.", product)};
  }
  if (name == "set_alarm")
    return {"ok", fmt::format("The alarm is set for {}.", arguments["time"].get<std::string>())};
  return {"sent", fmt::format("The message to {} was sent.", arguments["to"].get<std::string>())};
}

}  // namespace

void make_tool(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most[] = {1, 2, 2, 3, 4};
  auto offered = tools();
  draw.shuffle(offered);
  offered.resize(static_cast<size_t>(d.size > 0 ? d.size : draw.between(1, by_level(d, most))));
  const auto chosen = static_cast<size_t>(draw.below(std::ssize(offered)));
  const Tool& tool = offered[chosen];
  const Request request = tool.ask(draw);
  ChatMessage system{.role = Role::system, .content = ""};
  for (const Tool& each : offered) system.tools.push_back(function_of(each));
  ChatMessage user{.role = Role::user, .content = request.question};
  p.prompt = {system, user};
  p.key = request.question;
  const ToolCall call{"", tool.name, request.arguments.dump()};
  if (d.level >= 2 && draw.chance(0.4)) {
    const auto [result, sentence] = result_of(draw, tool, request.arguments);
    ChatMessage made{.role = Role::assistant, .content = "", .tool_calls = {call}};
    made.tool_calls[0].id = "call_0";
    p.prompt.push_back(made);
    p.prompt.push_back(ChatMessage{.role = Role::tool, .content = result, .tool_call_id = "call_0"});
    p.key += result;
    p.answer = sentence;
    p.trace = fmt::format("{} gave {}", tool.name, result);
    p.checked_trace = with_check(p.trace, fmt::format("asked: {}\nok", request.question));
    return;
  }
  p.calls = {call};
  p.checker = Checker::call;
  p.trace = fmt::format("tool {}", tool.name);
  std::string check = fmt::format("{} needs", tool.name);
  for (const auto& [key, type] : tool.parameters) {
    const Json& value = request.arguments[key];
    p.trace += fmt::format("\n{}: {}", key, value.is_string() ? value.get<std::string>() : value.dump());
    check += fmt::format(" {}", key);
  }
  p.checked_trace = with_check(p.trace, check + " ok");
}

void make_json(Draw& draw, const Difficulty& d, Problem& p) {
  const int64_t most[] = {2, 2, 3, 4, 4};
  const int64_t fields = d.size > 0 ? d.size : draw.between(1, by_level(d, most));
  const std::string name(draw.pick(words::names()));
  Json object = {{"name", name}};
  std::string text = name;
  const std::string_view he = words::is_female(name) ? "She" : "He";
  for (int64_t i = 0; i < fields; ++i) {
    const std::string subject = i == 0 ? "" : fmt::format(" {}", he);
    if (i == 0) {
      object["age"] = draw.between(6, 90);
      text += fmt::format("{} is {} years old.", subject, object["age"].get<int64_t>());
    } else if (i == 1) {
      object["city"] = std::string(draw.pick(words::cities()));
      text += fmt::format("{} lives in {}.", subject, object["city"].get<std::string>());
    } else if (i == 2) {
      object["job"] = std::string(draw.pick(words::jobs()));
      const auto job = object["job"].get<std::string>();
      text += fmt::format("{} works as {} {}.", subject, words::a_or_an(job), job);
    } else {
      object["pets"] = draw.below(6);
      text += fmt::format("{} has {} pets.", subject, object["pets"].get<int64_t>());
    }
  }
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.items()) {
    keys.push_back(key);
    p.trace += fmt::format("{}{}: {}", p.trace.empty() ? "" : "\n", key,
                           value.is_string() ? value.get<std::string>() : value.dump());
  }
  p.ask(fmt::format("{}\nWrite this as a JSON object with the keys {}.", text, comma_list(keys)));
  p.key = text;
  p.answer = object.dump();
  p.checker = Checker::json;
  p.checked_trace = with_check(p.trace, fmt::format("{} keys of {} ok", object.size(), keys.size()));
}

}  // namespace fathom
