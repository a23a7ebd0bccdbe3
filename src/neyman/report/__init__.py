"""Pages for people: results and surrogates as HTML that holds all it shows.

    page.py            the elements: whatever is no `Html` is text and is escaped
    folder.py          what a verb's --out wrote -> a section
    validation.py      what a surrogate's validation and training measured, typed
    card.py            a surrogate with what was measured of it -> JSON, pictures
    card_sections.py   the same as HTML
    script.py          the program that evaluates it
    surrogate_card.py  the folder that goes with a surrogate when it is published
    about.py           what authors can say of it
    deposit.py         metadata for Zenodo and HEPData
    report.py          folders and .onnx files -> one page

A page runs no script and asks the network for nothing; images are inside.
"""
