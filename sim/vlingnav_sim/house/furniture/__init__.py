"""What each piece of furniture is built from, one module per family.

A builder takes the main colour and a generator and returns parts; dimensions vary with the generator.
The front of a piece faces +x and it stands on z = 0; `vlingnav_sim.house.catalogue` centres it.
"""
