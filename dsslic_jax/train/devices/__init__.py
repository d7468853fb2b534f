"""Where arrays live and what is computed where: mesh, sharding, processes, rematerialisation."""
