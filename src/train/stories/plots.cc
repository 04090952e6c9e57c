#include "train/stories/plots.h"

#include <array>

namespace fathom {
namespace {

using Line = std::string_view;

constexpr auto kOpenings = std::to_array<Line>({
    "Once upon a time there was {a_adj} {kind} named {hero}.|There once was {a_adj} {kind} called "
    "{hero}.|{hero} was "
    "{a_adj} {kind}.|In a little house near the {place} lived {a_adj} {kind} named {hero}.|Long ago, {a_adj} "
    "{kind} "
    "named {hero} lived near the {place}.",
    "{hero} loved {food} more than anything else.|Every day {he} went for a walk to the {place}.|{hero} had "
    "a good "
    "friend, {a_fkind} named {friend}.|{He} liked to play with {his} friend {friend}, {a_fkind}.|{His} best "
    "friend "
    "was {a_fkind} named {friend}.",
});
constexpr auto kEndings = std::to_array<Line>({
    "From that day on, {hero} and {friend} were the best of friends.|{hero} was very {feeling} and slept "
    "well that "
    "night.|And so they went home together, {feeling} and tired.|{hero} never forgot that day.|\"What a "
    "day!\" said "
    "{hero}, and everyone laughed.|They ate {food} together until the moon came up.|{hero} smiled, for {he} "
    "had "
    "learned that a friend is worth more than gold.",
});
constexpr auto kLost = std::to_array<Line>({
    "One {time}, {hero} could not find {his} {color} {thing}.|One {time}, {hero} saw that {his} {color} "
    "{thing} was "
    "gone.|One {time}, {he} lost {his} {color} {thing}.",
    "{He} looked under the bed and behind the door, but it was not there.|{He} looked everywhere, but {he} "
    "could not "
    "find it.|\"Where is my {thing}?\" {he} cried.",
    "{hero} felt very sad.|A tear ran down {his} nose.|{He} sat down and did not know what to do.",
    "-",
    "Then {friend} came by. \"Why are you so sad?\" asked {friend}.|{friend} heard {him} and came at once. "
    "\"What is "
    "wrong?\" {fhe} asked.|\"Do not cry,\" said {friend}. \"I will help you.\"",
    "\"I lost my {color} {thing},\" said {hero}.|\"My {thing} is gone,\" said {hero}, \"and it was a gift "
    "from my "
    "mother.\"",
    "Together they went to the {place} and looked behind every stone.|{friend} had an idea. \"Let us look in "
    "the "
    "{place},\" {fhe} said.|They walked all the way to the {place}, and it began to rain.",
    "-",
    "There, under a tree, lay the {color} {thing}!|And there it was, in the grass near the {place}!|At last "
    "{friend} "
    "saw something {color}. It was the {thing}!",
    "{hero} jumped for joy and thanked {friend}.|\"Thank you!\" said {hero}, and {he} hugged "
    "{friend}.|{hero} was so "
    "happy that {he} danced.",
});
constexpr auto kShare = std::to_array<Line>({
    "One {time}, {hero} found a big basket of {food} in the {place}.|One {time}, {hero} got a whole basket "
    "of {food} "
    "from {his} grandmother.|One {time}, {hero} picked many {food} near the {place}.",
    "\"All of these are mine,\" {he} thought, and {he} hid them in the {place2}.|{He} did not want to share "
    "them with "
    "anyone.|{He} took them home and locked the door.",
    "-",
    "But {friend} had nothing to eat that day.|Soon {friend} knocked at the door. \"I am so hungry,\" {fhe} "
    "said.|{friend} came by and looked at the basket with big eyes.",
    "At first {hero} said no.|{hero} shook {his} head and turned away.|\"There are not enough for two,\" "
    "said {hero}.",
    "But the {food} did not taste good when {he} ate alone.|Then {he} saw how sad {friend} was, and {his} "
    "heart grew "
    "soft.|But {he} could not sleep, for {he} thought of {friend}.",
    "-",
    "So {hero} went to {friend} and gave {fhim} half of the {food}.|\"I am sorry,\" said {hero}. \"Please "
    "eat with "
    "me.\"|So {he} opened the basket and said, \"Let us share.\"",
    "They ate together, and the {food} were sweeter than before.|{friend} smiled, and they ate until nothing "
    "was "
    "left.|Now the {food} tasted better than ever.",
});
constexpr auto kAfraid = std::to_array<Line>({
    "But {hero} was afraid of the dark.|There was only one thing that {hero} did not like: the dark.|Every "
    "night {he} "
    "left a light on, for {he} feared the dark.",
    "One {time}, {friend} did not come home from the {place}.|One {time}, {friend} was lost in the {place}, "
    "and the "
    "sun was going down.|One {time}, a cry for help came from the {place}.",
    "-",
    "{hero} took {his} {color} {thing} and went out, though {his} knees shook.|\"I must help,\" said {hero}, "
    "and {he} "
    "took {his} {color} {thing}.|{He} was afraid, but {he} put on {his} coat, took {his} {thing} and went.",
    "The wind blew and the trees looked like giants.|Something moved in the bushes, but it was only a little "
    "bird.|It "
    "was so dark that {he} could not see {his} own feet.",
    "\"I am here!\" called {friend} at last. {Fhe} had hurt {fhis} foot.|Then {he} heard {friend} call {his} "
    "name.|Under an old tree sat {friend}, cold and alone.",
    "-",
    "{hero} gave {fhim} the {thing} to hold and led {fhim} home.|Slowly they walked home, hand in "
    "hand.|{hero} helped "
    "{fhim} up, and they went home under the stars.",
    "\"You are so brave,\" said {friend}.|\"Were you not afraid?\" asked {friend}. \"Yes,\" said {hero}, "
    "\"but I came "
    "anyway.\"|Since then {hero} has not been afraid of the dark.",
});
constexpr auto kRace = std::to_array<Line>({
    "One {time}, {friend} said, \"I am faster than you.\"|One {time}, there was a great race from the "
    "{place} to the "
    "{place2}.|One {time}, {friend} laughed at {hero} because {he} was slow.",
    "\"Let us run to the {place2},\" said {hero}. \"The winner gets this {color} {thing}.\"|The prize was "
    "{a_color} "
    "{thing}.|They agreed to race for {a_color} {thing}.",
    "-",
    "{friend} ran so fast that {fhe} was soon out of sight.|At first {friend} was far in front.|{friend} was "
    "sure to "
    "win, so {fhe} stopped to eat {food}.",
    "{hero} did not give up. {He} went on, step by step.|But {hero} kept going and did not look back.|\"Slow "
    "and "
    "steady,\" {hero} said to {himself}.",
    "Then {friend} fell asleep in the grass.|But {friend} fell into a hole and could not get out.|Then "
    "{friend} lost "
    "{fhis} way in the {place}.",
    "-",
    "{hero} stopped and helped {friend}, and they crossed the line together.|{hero} came to the {place2} "
    "first and won "
    "the {thing}.|{hero} won, but {he} gave the {thing} to {friend}.",
    "\"I will never laugh at you again,\" said {friend}.|\"You are a true friend,\" said {friend}.|Everyone "
    "clapped "
    "and cheered.",
});
constexpr auto kGift = std::to_array<Line>({
    "Soon it would be the birthday of {friend}.|It was the birthday of {friend}, and {hero} had no "
    "gift.|{hero} wanted "
    "to give {friend} something special.",
    "{hero} had no money, so {he} thought and thought.|\"What can I give {fhim}?\" {he} asked an old "
    "owl.|{He} "
    "went to "
    "the shop, but everything cost too much.",
    "-",
    "Then {he} found {a_color} {thing} in the {place}.|So {he} made {a_color} {thing} with {his} own "
    "hands.|At last "
    "{he} took {his} own {color} {thing} and cleaned it until it shone.",
    "{He} worked until late at night.|It took three days, and {his} hands were sore.|{He} put it in a box "
    "with a red "
    "ribbon.",
    "-",
    "When {friend} opened the box, {fhis} eyes grew wide.|{friend} opened the box and cried for joy.|\"For "
    "me?\" asked "
    "{friend}.",
    "\"This is the best gift of all,\" {fhe} said, \"because it comes from you.\"|\"I will keep this {thing} "
    "for "
    "ever,\" {fhe} said.|They had cake and {food} and sang until dark.",
});
constexpr auto kStorm = std::to_array<Line>({
    "One {time}, dark clouds came over the {place}.|One {time}, {hero} and {friend} were playing near the "
    "{place} when "
    "it began to rain.|One {time}, a great storm came up.",
    "The wind blew so hard that it took away the {color} {thing} of {friend}.|The wind took the {color} "
    "{thing} right "
    "out of the hands of {friend}.",
    "-",
    "\"We must find a dry place,\" said {hero}.|\"Hold my hand,\" said {hero}. \"I know where we can "
    "go.\"|{hero} "
    "looked around and saw the old {place2}.",
    "They ran to the {place2} and sat close together.|In the {place2} it was warm and dry.|They hid in the "
    "{place2} and "
    "told each other stories.",
    "They shared the last of their {food} and waited.|{hero} sang a song so that {friend} would not be "
    "afraid.|All "
    "night they listened to the rain.",
    "-",
    "In the morning the sun came out, and a rainbow stood over the {place}.|Then the rain stopped, and the "
    "birds began "
    "to sing.|When they woke up, the sky was blue again.",
    "And there, on a branch, hung the {color} {thing}!|On their way home {hero} saw the {color} {thing} in "
    "the wet "
    "grass.|They made a new {color} {thing} out of wood and leaves.",
});
constexpr auto kGarden = std::to_array<Line>({
    "One {time}, {hero} planted a small seed near the {place}.|One {time}, {friend} gave {hero} a strange "
    "seed.|One "
    "{time}, {hero} found a seed under {his} {color} {thing}.",
    "Every morning {he} gave it water.|{He} waited and waited, but nothing came up.|\"It will never grow,\" "
    "said "
    "{friend}.",
    "\"Be patient,\" said {his} mother. \"Good things take time.\"|But {hero} did not give up.|{He} sang to "
    "it every "
    "evening.",
    "-",
    "After many days, a green leaf came out of the ground.|Then one day there was a little green shoot.|When "
    "spring "
    "came, it was as tall as {hero}.",
    "A bad wind came, and {hero} held the plant with {a_color} rope.|Bugs came to eat it, but {friend} drove "
    "them "
    "away.|{hero} put a fence around it.",
    "-",
    "In the summer it was full of {food}.|It grew and grew, and at last it was full of {food}.|At last there "
    "were so "
    "many {food} that nobody could count them.",
    "{hero} gave some to everyone in the village.|{hero} and {friend} carried them home in a big "
    "basket.|\"You were "
    "right,\" said {friend}. \"It was worth the wait.\"",
});
constexpr auto kTrick = std::to_array<Line>({
    "One {time}, {hero} wanted to play a trick on {friend}, so {he} hid {fhis} {color} {thing}.|One {time}, "
    "{hero} hid "
    "the {color} {thing} of {friend} for fun.",
    "{friend} looked for hours and grew very sad.|{friend} could not find it and began to cry.",
    "{hero} laughed and laughed.|At first {hero} thought that it was funny.|\"It is only a joke,\" thought "
    "{hero}.",
    "-",
    "But the next day, nobody wanted to play with {hero}.|But {friend} did not laugh. {Fhe} went home "
    "without a word.",
    "{hero} sat alone in the {place} and was sorry.|Then {hero} understood that {he} had done wrong.|\"I was "
    "not "
    "kind,\" {he} thought.",
    "-",
    "{He} gave back the {thing} and said, \"I am sorry.\"|{He} brought {friend} the {thing} and a basket of "
    "{food}.|{He} "
    "went to {friend}, gave {fhim} the {thing} and told {fhim} the truth.",
    "\"I forgive you,\" said {friend}, \"but please do not do it again.\"|{friend} smiled. \"Friends tell "
    "the truth,\" "
    "{fhe} said.|They shook hands, and all was well.",
});

constexpr auto kPlots = std::to_array<Plot>({
    {"a lost {thing}", "{hero} loses the {color} {thing}", "{friend} helps, it is near the {place}", kLost},
    {"sharing", "{hero} keeps the {food}", "{hero} shares them with {friend}", kShare},
    {"being brave", "{friend} needs help in the dark", "{hero} goes with the {thing}", kAfraid},
    {"a race", "{friend} is faster", "{hero} does not give up", kRace},
    {"a gift", "{hero} has no gift for {friend}", "{a_color} {thing}", kGift},
    {"a storm", "rain and wind", "the {place2} keeps them dry", kStorm},
    {"a seed", "nothing comes up", "it is full of {food}", kGarden},
    {"a trick", "{hero} hides the {color} {thing}", "{hero} is sorry", kTrick},
});

}  // namespace

std::span<const Plot> story_plots() { return kPlots; }
std::span<const std::string_view> story_openings() { return kOpenings; }
std::span<const std::string_view> story_endings() { return kEndings; }

}  // namespace fathom
