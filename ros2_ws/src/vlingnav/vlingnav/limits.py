"""Parameters that say what a base can do, the same in every node; config/robots sets them."""

from __future__ import annotations

from vlingnav.params import Parameter

VELOCITY = (
    Parameter("max_vx_mps", 0.6, "Largest forward and backward speed of the base.", (0.0, 5.0)),
    Parameter("max_vy_mps", 0.0, "Largest sideways speed; 0 for a base that cannot.", (0.0, 5.0)),
    Parameter("max_wz_radps", 1.5, "Largest turning rate.", (0.0, 10.0)),
)
ACCELERATION = (
    Parameter("max_ax_mps2", 1.5, "Largest forward and backward acceleration of the base.", (0.0, 20.0)),
    Parameter("max_ay_mps2", 0.0, "Largest sideways acceleration.", (0.0, 20.0)),
    Parameter("max_aw_radps2", 6.0, "Largest turning acceleration.", (0.0, 50.0)),
)
