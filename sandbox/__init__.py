"""The sandbox: a whole deployment of Ops-Center on one machine, real parts wherever they can be had."""
