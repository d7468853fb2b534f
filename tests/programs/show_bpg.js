// node show_bpg.js a.bpg b.bpg ...: writes a.bpg.ppm and so on, all in one process.
"use strict";
const fs = require("fs");
const { decode, ppm } = require("./libbpg.js");

for (const file of process.argv.slice(2)) fs.writeFileSync(`${file}.ppm`, ppm(decode(fs.readFileSync(file))));
