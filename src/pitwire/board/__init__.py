"""The board: a desk as a person sees it, in a browser, live."""
