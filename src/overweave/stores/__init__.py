"""How a cluster store is run and addressed. Pure: values in, values out."""
