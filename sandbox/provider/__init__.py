"""A stand-in for OpenRouter and OpenAI: their chat completions, with exact usage and a journal of who paid.

It is no language model. It answers in the shapes of the two providers, counts one token a word, keeps a
journal of every call with the fingerprint of the key that paid, and makes trouble for one caller on request.
"""
