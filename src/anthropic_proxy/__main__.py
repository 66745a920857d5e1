"""`python -m anthropic_proxy`."""

from anthropic_proxy.cli import main

if __name__ == "__main__":
    main()
