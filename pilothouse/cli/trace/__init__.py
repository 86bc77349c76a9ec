"""`ph trace`: a real packet out of a pod, followed through Service, endpoint and policies of each node on its way."""
