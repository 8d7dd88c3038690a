"""Renders plans, matrices and states. Pure: values in, text out."""
