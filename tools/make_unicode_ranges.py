"""Writes src/text/unicode_ranges.cc: the code points of Unicode 16.0's \\p{L}, \\p{M}, \\p{N}, \\p{P} and \\p{S}
that the installed libpcre2-8 does not have. Run it with PCRE2 10.42 (Unicode 14.0), the oldest we support; newer
versions lose nothing by the additions.

usage: tools/make_unicode_ranges.py        (from the repository's root)
"""
import ctypes
import json

UTF, NO_UTF_CHECK = 0x00080000, 0x40000000
pcre2 = ctypes.CDLL("libpcre2-8.so.0")
pcre2.pcre2_compile_8.restype = ctypes.c_void_p
pcre2.pcre2_match_data_create_8.restype = ctypes.c_void_p
pcre2.pcre2_get_ovector_pointer_8.restype = ctypes.POINTER(ctypes.c_size_t)


def matched(pattern):
    """The code points that the one-character pattern matches."""
    error, offset = ctypes.c_int(), ctypes.c_size_t()
    code = ctypes.c_void_p(
        pcre2.pcre2_compile_8(pattern.encode(), ctypes.c_size_t(len(pattern)), ctypes.c_uint32(UTF),
                              ctypes.byref(error), ctypes.byref(offset), None))
    assert code.value, pattern
    data = ctypes.c_void_p(pcre2.pcre2_match_data_create_8(ctypes.c_uint32(1), None))
    pcre2.pcre2_jit_compile_8(code, ctypes.c_uint32(1))
    ends = pcre2.pcre2_get_ovector_pointer_8(data)
    text = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000).encode()
    found, at = set(), 0
    while pcre2.pcre2_match_8(code, text, ctypes.c_size_t(len(text)), ctypes.c_size_t(at),
                              ctypes.c_uint32(NO_UTF_CHECK), data, None) > 0:
        found.add(ord(text[ends[0]:ends[1]].decode()))
        at = ends[1]
    return found


def main():
    classes = json.load(open("tests/golden/tokenizer/unicode_classes.json"))
    lines = ['#include "text/unicode_ranges.h"', "", "namespace fathom {", "", "namespace {", ""]
    for category in "LMNPS":
        wanted = {c for first, last in classes[category] for c in range(first, last + 1)}
        have = matched("\\p{%s}" % category)
        assert not have - wanted, "PCRE2 has more than Unicode 16.0"
        ranges = []
        for c in sorted(wanted - have):
            if ranges and ranges[-1][1] == c - 1:
                ranges[-1][1] = c
            else:
                ranges.append([c, c])
        lines.append("constexpr CodePointRange k%s[] = {" % category)
        row = "   "
        for first, last in ranges:
            item = " {0x%X, 0x%X}," % (first, last)
            if len(row + item) > 110:
                lines.append(row)
                row = "   "
            row += item
        lines += [row, "};", ""]
    lines += ["}  // namespace", "", "std::span<const CodePointRange> unicode_additions(char category) {",
              "  switch (category) {"]
    lines += ["    case '%s': return k%s;" % (c, c) for c in "LMNPS"]
    lines += ["    default: return {};", "  }", "}", "", "}  // namespace fathom", ""]
    open("src/text/unicode_ranges.cc", "w").write("\n".join(lines))


main()
