"""Translates standard input, a sentence a line.

Usage: translate.py MODEL SOURCE-LANGUAGE TARGET-LANGUAGE
"""

import sys

import polymoe


def main() -> None:
    if len(sys.argv) != 4:
        sys.exit("usage: translate.py MODEL SOURCE-LANGUAGE TARGET-LANGUAGE")
    model, source, target = sys.argv[1:]
    translator = polymoe.Translator(model)
    for translation in translator.translate([line.rstrip("\n") for line in sys.stdin], source, target):
        print(translation.text)


if __name__ == "__main__":
    try:
        main()
    except polymoe.Error as error:
        sys.exit(f"translate.py: {error}")
