"""The web page of the sandbox: what runs where, drawn on the server from the engine's own state.

Nothing here imports Jinja before the first page is asked for, and nothing outside knows how a page is made: `app`
hands over a request and gets an answer.
"""
