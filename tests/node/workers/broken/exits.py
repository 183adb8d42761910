import sys

from procwire import Client

client = Client()
sys.exit("no licence")
