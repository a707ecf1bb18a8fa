"""The proven search for one nest: all mappings of docs/model.md, section 7, by bounds over chains of tiles.

``structure`` orders the keeps, ``chains`` lists how one dimension can be split through all of them, ``features`` says
what a chain contributes to every count, ``costs`` lays that out for ``bound_kernels``, which combines chains of all
dimensions under a lower bound, ``realize`` turns a combination into mappings, and ``optimum`` evaluates those exactly
until the bound meets the best.
"""
