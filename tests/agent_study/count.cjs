// Reads a JSON list of texts from stdin; prints the list of their numbers of tokens, by the encoding o200k_base.
const { createRequire } = require("node:module");
const { join } = require("node:path");
const { readFileSync } = require("node:fs");

// The vocabulary lies in the package, so counting needs no network.
const installed = createRequire(join(__dirname, "..", "conformance", "package.json"));
const { encode } = installed("gpt-tokenizer/cjs/encoding/o200k_base");
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map((text) => encode(text).length)));
