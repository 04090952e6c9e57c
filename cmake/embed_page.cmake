# fathom_embed_page(TARGET FOLDER): the files under FOLDER become part of TARGET, as page_files() of
# server/page/page_files.h lists them. The assembler reads them itself (.incbin): nothing is turned into source
# text, so this costs the build a fraction of a second and needs no further program.
function(fathom_embed_page target folder)
  file(GLOB_RECURSE files CONFIGURE_DEPENDS RELATIVE ${folder} ${folder}/*)
  list(SORT files)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/page_files.cc)
  set(bytes "")
  set(declarations "")
  set(rows "")
  set(depends "")
  set(index 0)
  foreach(file IN LISTS files)
    string(APPEND bytes "    \".balign 16\\nfathom_page_${index}:\\n.incbin \\\"${folder}/${file}\\\"\\nfathom_page_${index}_end:\\n.byte 0\\n\"\n")
    string(APPEND declarations
      "extern \"C\" const char fathom_page_${index}[] __attribute__((visibility(\"hidden\")));\n"
      "extern \"C\" const char fathom_page_${index}_end[] __attribute__((visibility(\"hidden\")));\n")
    string(APPEND rows
      "    {\"/${file}\", {fathom_page_${index}, static_cast<size_t>(fathom_page_${index}_end - fathom_page_${index})}},\n")
    list(APPEND depends ${folder}/${file})
    math(EXPR index "${index} + 1")
  endforeach()
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT "// Made by cmake/embed_page.cmake.
#include \"server/page/page_files.h\"

asm(\".pushsection .rodata\\n\"
@bytes@    \".popsection\\n\");

@declarations@
namespace fathom::server {
std::vector<PageFile> page_files() {
  return {
@rows@  };
}
}  // namespace fathom::server
")
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS "${depends}")
  target_sources(${target} PRIVATE ${source})
endfunction()
