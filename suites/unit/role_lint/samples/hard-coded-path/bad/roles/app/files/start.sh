#!/bin/sh
exec app --models /opt/models/main.gguf # smell
