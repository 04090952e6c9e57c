// The line that thinking is folded to.
#include "cli/answer_view.h"

#include "tests/cli/captured_output.h"

namespace fathom::cli {

TEST_CASE("the time of thinking does not count the reading of the prompt") {
  using Kind = CompletionEvent::Kind;
  const std::string out = test::output_of([] {
    double now = 100;
    AnswerView view(true, [&] { return now; });
    now += 30;  // the prompt is read
    view.event({Kind::reasoning, "Hm."});
    now += 2;
    view.event({Kind::reasoning, " So."});
    now += 0.5;
    view.event({Kind::content, "Yes."});
    now += 7;
    view.finish();
  });
  CHECK_MESSAGE(out.find("> thought for 2.5 s") != std::string::npos, out);
  CHECK(out.ends_with("Yes.\n"));
}

TEST_CASE("an error in the middle of thinking leaves nothing dimmed") {
  const std::string out = test::output_of([] {
    AnswerView view(true, [] { return 0.0; });
    view.event({CompletionEvent::Kind::reasoning, "Hm."});
  });
  CHECK_MESSAGE(out.ends_with("Hm.\033[0m\n"), out);
}

}  // namespace fathom::cli
