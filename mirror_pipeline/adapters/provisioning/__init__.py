"""One adapter per kind of resource that ``infra`` makes: what is asked of AWS, and nothing decided.

Each reads what is there as ``domain.infra.Observed``, creates, updates and deletes. What is wanted is said in
``domain.infra_wanted``; in which order things are made and removed is an affair of ``phases.infrastructure``.
"""
