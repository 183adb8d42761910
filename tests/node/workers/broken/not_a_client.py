client = "not a client"
