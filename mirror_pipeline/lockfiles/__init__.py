"""Readers of lock files: bytes of a project in, one ``domain.lock.Lock`` out. No reader opens a file.

A new format is one new module with ``FORMAT``, ``FILE_NAMES``, ``recognizes`` and ``read``, and a line
in ``lockfiles.formats``.
"""
