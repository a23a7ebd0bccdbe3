"""Files in and out: every reader is bounded and strict, every writer atomic.

`bounded` reads bytes under caps, `strict_json` reads and writes JSON, `json_patch` applies
JSON patches and pyhf patch sets, `archive` reads members of tar files in memory, `store`
writes so that a kill or a full disk leaves the old file whole, `provenance` says what went
into a result. No reader runs code; every refusal is an `InputError` of one line.
"""
