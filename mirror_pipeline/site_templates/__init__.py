"""The pages for people: Jinja templates, and the style, script and mark that they use. No Python here.

``domain.people`` says what is on them, ``adapters.people_pages`` fills them in.
"""
