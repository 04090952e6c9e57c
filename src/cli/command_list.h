// FATHOM_COMMAND(name): register_name(CLI::App&) in src/cli/name_command.cc. The order is that of --help.
FATHOM_COMMAND(run)
FATHOM_COMMAND(chat)
FATHOM_COMMAND(demo)
FATHOM_COMMAND(logits)
FATHOM_COMMAND(tokenize)    // both in
FATHOM_COMMAND(detokenize)  // tokenize_command.cc
FATHOM_COMMAND(tokenizer)
FATHOM_COMMAND(render)
FATHOM_COMMAND(parse)
FATHOM_COMMAND(score)
FATHOM_COMMAND(inspect)
FATHOM_COMMAND(plan)
FATHOM_COMMAND(convert)
FATHOM_COMMAND(init)
FATHOM_COMMAND(data)
FATHOM_COMMAND(verify)
FATHOM_COMMAND(bench)
