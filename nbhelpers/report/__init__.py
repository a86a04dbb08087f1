"""One command, one report: a network and a folder of photographs in, a page and files of numbers out."""
