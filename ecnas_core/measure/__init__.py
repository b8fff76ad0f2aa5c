"""Measuring energy on the local machine."""
