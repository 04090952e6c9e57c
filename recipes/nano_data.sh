#!/bin/sh
# The data of recipes/nano.json: a tokenizer, books, stories and generated problems as token files.
#
#     recipes/nano_data.sh TEXT OUT [FATHOM]
#
# TEXT is a folder as tools/prepare_text.py writes it (docs/data.md), of which the books are used. OUT gets
# tokenizer/ and a folder for each source of the recipe, about 600 MB on the way and 350 MB at the end. Every
# line is a function of its seed, so anyone gets the same files. Takes two minutes.
set -eu
if [ $# -lt 2 ]; then
  echo "usage: recipes/nano_data.sh TEXT OUT [FATHOM]" >&2
  exit 2
fi
text=$1
out=$2
fathom=${3:-fathom}
mkdir -p "$out/raw"
raw=$out/raw

# problems NAME LINES SEED TASKS LEVELS [MODES]: lines of generated problems; modes: Non-think, Think, Think Max
problems() {
  "$fathom" data tasks --count "$2" --seed "$3" --tasks "$4" --min-level "${5%-*}" --max-level "${5#*-}" \
    --think "${6:-40:50:10}" > "$raw/$1.jsonl"
}

xz -dc "$text/books/train.jsonl.xz" > "$raw/books.jsonl"
"$fathom" data stories --count 60000 --seed 11 > "$raw/stories.jsonl"
# Short ones of all kinds, to begin with.
problems easy 60000 21 "add*3,sub*3,mul*10,div*2,sum*2,chain*6,cups*2,sort*4,select*2,count*3,reverse*4,letter*2,\
caesar*2,word*8,weekday*2,clock*2,units*2,tool*2,json*2,code*2,formula*2,tale*5,reading*4" 1-2
problems recall_short 60000 22 "lookup*6,kv*4,table*2,needle*3" 1-2 30:65:5
# Of all lengths.
problems recall 60000 23 "lookup*5,kv*4,table*2,needle*4" 1-4 35:60:5
problems recall_long 16000 24 "lookup:32,lookup:60*2,kv:60*2,kv:100*2,kv:150,kv:200,table:30,table:60,needle:60*2,\
needle:100*2,needle:130*2" 3-5 45:50:5
problems mul 120000 25 "mul" 1-5
problems sums 100000 26 "add*3,sub*3,div*2,sum*3" 1-5
problems chain 100000 27 "chain*4,cups" 1-5
problems word 120000 28 "word" 1-5
problems dates 60000 29 "weekday,clock,units" 1-5
problems lists 70000 30 "sort*2,select" 1-5
problems letters 90000 31 "count*2,reverse*3,letter,caesar*2" 1-5
problems tools 50000 32 "tool*3,json*2,code*2,formula*2" 1-5
problems talk 50000 33 "tale*2,reading" 1-5

# 2,048 tokens, digits single, from about equal parts of all kinds.
head -c 9000000 "$raw/books.jsonl" | sed '$d' > "$raw/part-books.jsonl"
head -n 12000 "$raw/stories.jsonl" > "$raw/part-stories.jsonl"
head -n 20000 "$raw/easy.jsonl" > "$raw/part-easy.jsonl"
head -n 4000 "$raw/talk.jsonl" > "$raw/part-talk.jsonl"
head -n 5000 "$raw/recall_short.jsonl" > "$raw/part-recall.jsonl"
"$fathom" tokenizer train "$raw"/part-*.jsonl --vocab 2048 --out "$out/tokenizer"

for source in books stories easy recall_short recall recall_long mul sums chain word dates lists letters tools talk; do
  share=0.005
  if [ $source = books ]; then share=0.01; fi
  echo "$source"
  "$fathom" data "$raw/$source.jsonl" --out "$out/$source" --tokenizer "$out/tokenizer/tokenizer.json" \
    --document-tokens 2048 --validation $share
done
rm -r "$raw"
