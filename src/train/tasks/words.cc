#include "train/tasks/words.h"

#include <algorithm>
#include <array>

namespace fathom::words {
namespace {

constexpr auto kFemale = std::to_array<std::string_view>(
    {"Abby",  "Alice", "Amelia", "Amy",    "Anna",   "Ava",    "Bella", "Claire", "Daisy",  "Diana",
     "Ella",  "Emily", "Emma",   "Eva",    "Grace",  "Hannah", "Hope",  "Ivy",    "Jade",   "Jenna",
     "Julia", "Kate",  "Laura",  "Leah",   "Lily",   "Lucy",   "Maria", "Mary",   "Maya",   "Mia",
     "Molly", "Naomi", "Nora",   "Olivia", "Rachel", "Rose",   "Ruby",  "Sara",   "Sophie", "Zoe"});
constexpr auto kMale = std::to_array<std::string_view>(
    {"Aaron",  "Adam",  "Alan",  "Andrew", "Ben",    "Brian", "Carlos", "Daniel", "David",  "Edward",
     "Eli",    "Eric",  "Ethan", "Finn",   "George", "Henry", "Hugo",   "Ian",    "Jack",   "Jacob",
     "James",  "John",  "Josh",  "Leo",    "Liam",   "Luke",  "Mark",   "Martin", "Max",    "Noah",
     "Oliver", "Oscar", "Owen",  "Paul",   "Peter",  "Sam",   "Simon",  "Tom",    "Victor", "Wesley"});

constexpr auto kNames = [] {
  std::array<std::string_view, kFemale.size() + kMale.size()> all{};
  std::copy(kFemale.begin(), kFemale.end(), all.begin());
  std::copy(kMale.begin(), kMale.end(), all.begin() + kFemale.size());
  return all;
}();

constexpr auto kAnimals = std::to_array<std::string_view>(
    {"badger", "bear",     "beaver",  "bull",     "camel",  "cat",      "cow",    "crow",
     "deer",   "dog",      "donkey",  "duck",     "eagle",  "elephant", "fish",   "fox",
     "frog",   "goat",     "hamster", "hedgehog", "hen",    "horse",    "kitten", "lamb",
     "lion",   "lizard",   "mole",    "monkey",   "mouse",  "otter",    "owl",    "panda",
     "parrot", "pig",      "pony",    "puppy",    "rabbit", "raccoon",  "seal",   "sheep",
     "snail",  "squirrel", "tiger",   "toad",     "turtle", "whale",    "wolf",   "zebra"});
constexpr auto kAdjectives = std::to_array<std::string_view>(
    {"brave",    "busy",   "calm",   "careful", "cheerful", "clever", "clumsy", "curious",
     "friendly", "gentle", "happy",  "honest",  "hungry",   "kind",   "lazy",   "lively",
     "lonely",   "lucky",  "old",    "patient", "polite",   "proud",  "quick",  "quiet",
     "shy",      "silly",  "sleepy", "small",   "tiny",     "young"});
constexpr auto kColors =
    std::to_array<std::string_view>({"black", "blue", "brown", "gold", "green", "grey", "orange", "pink",
                                     "purple", "red", "silver", "white", "yellow"});
constexpr auto kThings = std::to_array<std::string_view>(
    {"ball",    "basket",  "bell",   "blanket", "book",     "bottle",   "bowl",   "box",   "brush",
     "bucket",  "button",  "candle", "chair",   "clock",    "coat",     "coin",   "cup",   "doll",
     "drum",    "feather", "flag",   "flute",   "hammer",   "hat",      "key",    "kite",  "lamp",
     "lantern", "letter",  "map",    "mirror",  "necklace", "pencil",   "pillow", "ring",  "rope",
     "scarf",   "shell",   "shoe",   "spoon",   "stone",    "umbrella", "violin", "watch", "whistle"});
constexpr auto kFoods = std::to_array<std::string_view>(
    {"apples",  "bananas", "beans",  "berries", "carrots",  "cherries", "cookies",
     "eggs",    "grapes",  "lemons", "melons",  "nuts",     "onions",   "oranges",
     "peaches", "pears",   "peas",   "plums",   "potatoes", "pumpkins"});
constexpr auto kCountables = std::to_array<std::string_view>(
    {"apples",  "balls",    "beads",   "berries", "books", "buttons", "cards",   "coins",
     "cookies", "cups",     "eggs",    "flowers", "keys",  "lemons",  "marbles", "nuts",
     "oranges", "pears",    "pencils", "plates",  "plums", "seeds",   "shells",  "spoons",
     "stamps",  "stickers", "stones",  "tickets", "toys",  "tulips"});
// What one can be near and in.
constexpr auto kPlaces = std::to_array<std::string_view>(
    {"barn", "castle",  "cave",    "church", "farm",  "field",   "forest",  "garden", "house",
     "hut",  "library", "market",  "meadow", "mill",  "orchard", "park",    "school", "shed",
     "shop", "stable",  "station", "tent",   "tower", "valley",  "village", "woods"});
constexpr auto kSpelled = std::to_array<std::string_view>(
    {"apple",   "arrow",  "balloon", "banana", "basket",  "bottle",  "bridge",  "butter",   "button",
     "candle",  "carrot", "castle",  "cat",    "cherry",  "chicken", "circle",  "coffee",   "cookie",
     "copper",  "corner", "cotton",  "dog",    "dragon",  "finger",  "flower",  "forest",   "garden",
     "ginger",  "hammer", "honey",   "island", "jacket",  "kettle",  "kitchen", "ladder",   "lantern",
     "lemon",   "letter", "little",  "marble", "meadow",  "mirror",  "monkey",  "mountain", "music",
     "needle",  "number", "onion",   "orange", "paper",   "pebble",  "pencil",  "pepper",   "picture",
     "pillow",  "planet", "pocket",  "potato", "pumpkin", "puzzle",  "rabbit",  "ribbon",   "river",
     "rocket",  "saddle", "school",  "shadow", "silver",  "sister",  "spoon",   "spring",   "squirrel",
     "station", "stone",  "summer",  "sun",    "table",   "tattoo",  "teacher", "thunder",  "ticket",
     "tomato",  "tree",   "tunnel",  "turtle", "valley",  "village", "violin",  "wagon",    "water",
     "whistle", "window", "winter",  "wizard", "wood",    "yellow"});
constexpr auto kJobs = std::to_array<std::string_view>(
    {"artist", "baker",  "builder", "carpenter", "cook",    "dancer", "doctor",
     "driver", "farmer", "fisher",  "hunter",    "judge",   "lawyer", "painter",
     "pilot",  "sailor", "singer",  "tailor",    "teacher", "waiter", "writer"});
constexpr auto kCities = std::to_array<std::string_view>(
    {"Athens", "Berlin", "Cairo", "Dublin", "Geneva", "Lima", "Lisbon", "London", "Madrid", "Moscow", "Oslo",
     "Paris", "Prague", "Rome", "Sofia", "Tokyo", "Vienna", "Warsaw"});

}  // namespace

std::span<const std::string_view> names() { return kNames; }
bool is_female(std::string_view name) {
  return std::find(kFemale.begin(), kFemale.end(), name) != kFemale.end();
}
std::span<const std::string_view> animals() { return kAnimals; }
std::span<const std::string_view> adjectives() { return kAdjectives; }
std::span<const std::string_view> colors() { return kColors; }
std::span<const std::string_view> things() { return kThings; }
std::span<const std::string_view> foods() { return kFoods; }
std::span<const std::string_view> countables() { return kCountables; }
std::span<const std::string_view> places() { return kPlaces; }
std::span<const std::string_view> spelled() { return kSpelled; }
std::span<const std::string_view> jobs() { return kJobs; }
std::span<const std::string_view> cities() { return kCities; }

std::string_view a_or_an(std::string_view word) {
  if (word.starts_with("honest")) return "an";
  return !word.empty() && std::string_view("aeiou").find(word[0]) != std::string_view::npos ? "an" : "a";
}

}  // namespace fathom::words
