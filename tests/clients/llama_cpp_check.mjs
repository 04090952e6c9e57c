// llama.cpp, as npm ships it, loads and runs what `fathom convert --to gguf` writes.
//
//   mkdir scratch && cd scratch && npm install node-llama-cpp@3.22.1
//   node .../tests/clients/llama_cpp_check.mjs [--fathom build/release/fathom] [--model models/v4-10m]
//
// Run it from the folder that has node_modules. A random model is made whose sizes and ratios llama.cpp accepts (it knows
// the ratios 0, 4 and 128 alone and fails on small heads), given the tokenizer of --model, converted without its MTP
// block, and continued greedily after 300 tokens; fathom's logits at the same positions must have the same first
// choice where its lead is clear, and log-probabilities within the bound: llama.cpp rounds activations (BF16 rows to
// BF16, quantised ones to 8 bits), fathom does not.
import {execFileSync} from "node:child_process";
import fs from "node:fs";
import {createRequire} from "node:module";
import os from "node:os";
import path from "node:path";
import {fileURLToPath, pathToFileURL} from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const option = (name, otherwise) => {
  const at = process.argv.indexOf("--" + name);
  return path.resolve(at < 0 ? path.join(root, otherwise) : process.argv[at + 1]);
};
const fathom = option("fathom", "build/release/fathom"), model = option("model", "models/v4-10m");
const bounds = {f32: 0.05, bf16: 0.05, q8_0: 0.3, mxfp4: 0.3};
const prompt = [0, ...Array.from({length: 300}, (_, i) => (i * i * 7 + 3 * i + 5) % 4000 + 20)];
const newTokens = 16;

const require = createRequire(path.join(process.cwd(), "x.js"));
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);
const llama = await getLlama({gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: 2});
const work = fs.mkdtempSync(path.join(os.tmpdir(), "fathom-llama-"));
const run = (...args) => execFileSync(fathom, args, {stdio: ["ignore", "ignore", "ignore"]});

// Tokens that llama.cpp takes, each with the log-probabilities of the four likeliest.
async function theirs(file) {
  const loaded = await llama.loadModel({modelPath: file, gpuLayers: 0, ignoreMemorySafetyChecks: true});
  const context = await loaded.createContext({contextSize: 1024, threads: 2, ignoreMemorySafetyChecks: true});
  const out = [];
  for await (const each of context.getSequence().evaluateWithMetadata(prompt, {probabilities: true},
                                                                      {temperature: 0, yieldEogToken: true})) {
    out.push({token: each.token, top: [...each.probabilities.entries()].slice(0, 4).map(([t, p]) => [t, Math.log(p)])});
    if (out.length === newTokens) break;
  }
  await context.dispose();
  await loaded.dispose();
  return out;
}

// Rows of log-probabilities at the positions that gave those tokens.
function ours(file, tokens) {
  const ids = path.join(work, "ids.json"), out = path.join(work, "logits.safetensors");
  fs.writeFileSync(ids, JSON.stringify([...prompt, ...tokens.slice(0, -1)]));
  run("logits", "-m", file, "--ids", ids, "--out", out);
  const bytes = fs.readFileSync(out), header = Number(bytes.readBigUInt64LE(0));
  const {shape, data_offsets: [begin]} = JSON.parse(bytes.subarray(8, 8 + header)).logits;
  return tokens.map((_, i) => {
    const row = new Float64Array(shape[1]);
    const at = 8 + header + begin + (prompt.length - 1 + i) * shape[1] * 4;
    for (let v = 0; v < row.length; ++v) row[v] = bytes.readFloatLE(at + v * 4);
    const largest = Math.max(...row), sum = Math.log(row.reduce((s, x) => s + Math.exp(x - largest), 0));
    return row.map((x) => x - largest - sum);
  });
}

let failed = false;
try {
  const config = JSON.parse(fs.readFileSync(path.join(model, "config.json")));
  for (const key of ["layer_types", "compress_rates"]) delete config[key];
  fs.writeFileSync(path.join(work, "config.json"), JSON.stringify({
    ...config, hidden_size: 512, num_attention_heads: 16, head_dim: 512, qk_rope_head_dim: 64, q_lora_rank: 256,
    o_groups: 8, o_lora_rank: 128, moe_intermediate_size: 128, index_n_heads: 16, index_head_dim: 128, index_topk: 512,
    sliding_window: 128, num_hidden_layers: 4, compress_ratios: [0, 0, 4, 128, 0], num_experts_per_tok: 6}));
  const source = path.join(work, "source");
  run("init", "--config", path.join(work, "config.json"), "--dtype", "bf16", "--seed", "3", "--out", source);
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    fs.copyFileSync(path.join(model, file), path.join(source, file));
  for (const [dtype, bound] of Object.entries(bounds)) {
    const file = path.join(work, dtype + ".gguf");
    run("convert", source, "--to", "gguf", "--dtype", dtype, "--no-mtp", "--out", file);
    const found = await theirs(file), rows = ours(file, found.map((each) => each.token));
    let worst = 0, differing = 0;
    found.forEach(({token, top}, i) => {
      for (const [t, p] of top) worst = Math.max(worst, Math.abs(rows[i][t] - p));
      differing += Math.max(...rows[i]) - rows[i][token] > 2 * bound;
    });
    const good = found.length === newTokens && worst <= bound && differing === 0;
    failed ||= !good;
    console.log(`${good ? "ok  " : "FAIL"} ${dtype.padEnd(6)} ${found.length} tokens, ${differing} of other choice, ` +
                `largest log-probability difference ${worst.toExponential(2)} <= ${bound}`);
    fs.unlinkSync(file);
  }
} finally {
  fs.rmSync(work, {recursive: true});
}
process.exit(failed ? 1 : 0);
