"""`python -m gan_sntg`: the same as the command `gan-sntg`."""

from gan_sntg.commands.main import main

if __name__ == "__main__":
    raise SystemExit(main())
