"""moto's server with the repairs that the demo has, too."""

import sys

from moto.server import main

from demo.motorepairs import repair

repair()
main(sys.argv[1:])
