from procwire import Client

client = Client()
for _ in range(2):
    client.handle("same", lambda data: data)
