"""A stand-in for OpenRouter and OpenAI: chat completions with exact usage, and a journal of calls.

It is not a language model. It answers in the formats of the two providers and counts one token for each word. It
keeps a journal of all calls, with the fingerprint of each key, and simulates troubles for one caller on request.
"""
