// A tiny Stable Diffusion in the layout of diffusers, made here: integers as weights, shapes as the references of the image
// engine have them. Refuses: a model whose tensors are not those of the references; their list is compared by its hash.
//
// The numbers are those of tests/tiny and tests/parity/integers.py, so it draws what the Rust tests draw.

import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";

const ROOT = path.resolve(import.meta.dirname, "../../../..");
const REFERENCES = path.join(ROOT, "server/paint/tests/references");
const MASK = (1n << 64n) - 1n;
/** The customary one of Stable Diffusion. */
const SCHEDULER = {
  ...{ _class_name: "DDIMScheduler", beta_schedule: "scaled_linear", beta_start: 0.00085, beta_end: 0.012 },
  ...{ num_train_timesteps: 1000, clip_sample: false, set_alpha_to_one: false, steps_offset: 1 },
};

/** What a tensor is called and its sides. */
type Tensors = Map<string, readonly number[]>;

/** FNV-1a with 64 bits. */
function fnv(text: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & MASK;
  return hash;
}

/** `count` numbers from -1 up to 1 by splitmix64, times a scale. */
function numbers(name: string, count: number, scale: number): Float32Array {
  const seed = fnv(name);
  const result = new Float32Array(count);
  for (let at = 0; at < count; at += 1) {
    let z = (seed + BigInt(at + 1) * 0x9e3779b97f4a7c15n) & MASK;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    z ^= z >> 31n;
    result[at] = (Number(z >> 40n) / 8_388_608 - 1) * Math.fround(scale);
  }
  return result;
}

/** A tensor spread so that it neither grows nor fades from layer to layer. */
function madeUp(model: string, name: string, shape: readonly number[]): Float32Array {
  const count = shape.reduce((product, side) => product * side, 1);
  const [first = 1] = shape;
  if (shape.length > 1) return numbers(`${model} ${name}`, count, Math.sqrt(3 / (count / first)));
  const small = numbers(`${model} ${name}`, count, 0.1);
  return name.endsWith("weight") ? small.map((number) => 1 + number) : small;
}

/** Collects tensors by the kind of layer they belong to. */
class Layers {
  readonly tensors: Tensors = new Map();

  add(name: string, weight: readonly number[], hasBias = true): void {
    this.tensors.set(`${name}.weight`, weight);
    if (hasBias) this.tensors.set(`${name}.bias`, [weight[0] ?? 0]);
  }

  conv(name: string, into: number, from: number, side = 3): void {
    this.add(name, [into, from, side, side]);
  }

  norms(side: number, ...names: readonly string[]): void {
    for (const name of names) this.add(name, [side]);
  }

  /** Two convolutions; `time` is the length of what tells the step, where there is one. */
  resnet(name: string, into: number, from: number, time = 0): void {
    this.norms(from, `${name}.norm1`);
    this.norms(into, `${name}.norm2`);
    this.conv(`${name}.conv1`, into, from);
    this.conv(`${name}.conv2`, into, into);
    if (time > 0) this.add(`${name}.time_emb_proj`, [into, time]);
    if (into !== from) this.conv(`${name}.conv_shortcut`, into, from, 1);
  }

  /** Attention to the image itself, then to the prompt. */
  transformer(name: string, side: number, words: number): void {
    const block = `${name}.transformer_blocks.0`;
    this.norms(side, `${name}.norm`, ...[1, 2, 3].map((at) => `${block}.norm${at}`));
    this.conv(`${name}.proj_in`, side, side, 1);
    this.conv(`${name}.proj_out`, side, side, 1);
    for (const [attention, from] of [["attn1", side], ["attn2", words]] as const) {
      this.add(`${block}.${attention}.to_q`, [side, side], false);
      for (const part of ["to_k", "to_v"]) this.add(`${block}.${attention}.${part}`, [side, from], false);
      this.add(`${block}.${attention}.to_out.0`, [side, side]);
    }
    this.add(`${block}.ff.net.0.proj`, [8 * side, side]);
    this.add(`${block}.ff.net.2`, [side, 4 * side]);
  }
}

function textEncoder(): Tensors {
  const layers = new Layers();
  layers.tensors.set("embeddings.position_embedding.weight", [77, 32]);
  layers.tensors.set("embeddings.token_embedding.weight", [934, 32]);
  for (const at of [0, 1, 2]) {
    const layer = `encoder.layers.${at}`;
    layers.norms(32, `${layer}.layer_norm1`, `${layer}.layer_norm2`);
    for (const part of ["q", "k", "v", "out"]) layers.add(`${layer}.self_attn.${part}_proj`, [32, 32]);
    layers.add(`${layer}.mlp.fc1`, [64, 32]);
    layers.add(`${layer}.mlp.fc2`, [32, 64]);
  }
  layers.norms(32, "final_layer_norm");
  return layers.tensors;
}

function denoiser(): Tensors {
  const layers = new Layers();
  const time = 128;
  layers.conv("conv_in", 32, 4);
  layers.add("time_embedding.linear_1", [time, 32]);
  layers.add("time_embedding.linear_2", [time, time]);
  for (const at of [0, 1]) {
    layers.resnet(`down_blocks.0.resnets.${at}`, 32, 32, time);
    layers.transformer(`down_blocks.0.attentions.${at}`, 32, 32);
    layers.resnet(`down_blocks.1.resnets.${at}`, 64, at === 0 ? 32 : 64, time);
    layers.resnet(`mid_block.resnets.${at}`, 64, 64, time);
  }
  layers.conv("down_blocks.0.downsamplers.0.conv", 32, 32);
  layers.transformer("mid_block.attentions.0", 64, 32);
  // On the way up each block also gets what the way down left.
  for (const [at, from] of [128, 128, 96].entries()) layers.resnet(`up_blocks.0.resnets.${at}`, 64, from, time);
  layers.conv("up_blocks.0.upsamplers.0.conv", 64, 64);
  for (const [at, from] of [96, 64, 64].entries()) {
    layers.resnet(`up_blocks.1.resnets.${at}`, 32, from, time);
    layers.transformer(`up_blocks.1.attentions.${at}`, 32, 32);
  }
  layers.norms(32, "conv_norm_out");
  layers.conv("conv_out", 4, 32);
  return layers.tensors;
}

function autoencoder(): Tensors {
  const layers = new Layers();
  for (const half of ["encoder", "decoder"]) {
    const middle = `${half}.mid_block`;
    for (const at of [0, 1]) layers.resnet(`${middle}.resnets.${at}`, 64, 64);
    layers.norms(64, `${middle}.attentions.0.group_norm`);
    for (const part of ["to_q", "to_k", "to_v", "to_out.0"]) layers.add(`${middle}.attentions.0.${part}`, [64, 64]);
  }
  layers.conv("encoder.conv_in", 32, 3);
  layers.resnet("encoder.down_blocks.0.resnets.0", 32, 32);
  layers.conv("encoder.down_blocks.0.downsamplers.0.conv", 32, 32);
  layers.resnet("encoder.down_blocks.1.resnets.0", 64, 32);
  layers.norms(64, "encoder.conv_norm_out");
  layers.conv("encoder.conv_out", 8, 64);
  layers.conv("quant_conv", 8, 8, 1);
  layers.conv("post_quant_conv", 4, 4, 1);
  layers.conv("decoder.conv_in", 64, 4);
  for (const at of [0, 1]) {
    layers.resnet(`decoder.up_blocks.0.resnets.${at}`, 64, 64);
    layers.resnet(`decoder.up_blocks.1.resnets.${at}`, 32, at === 0 ? 64 : 32);
  }
  layers.conv("decoder.up_blocks.0.upsamplers.0.conv", 64, 64);
  layers.norms(32, "decoder.conv_norm_out");
  layers.conv("decoder.conv_out", 3, 32);
  return layers.tensors;
}

/** A file of weights: the length of its head, the head as JSON, the numbers. */
function safetensors(model: string, tensors: Tensors): Buffer {
  const head: Record<string, unknown> = {};
  const parts: Buffer[] = [];
  let end = 0;
  for (const [name, shape] of tensors) {
    const part = Buffer.from(madeUp(model, name, shape).buffer);
    head[name] = { dtype: "F32", shape, data_offsets: [end, end + part.length] };
    end += part.length;
    parts.push(part);
  }
  const text = JSON.stringify(head);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, ...parts]);
}

/** Writes a part with its configuration, once its tensors are known to be those of the reference. */
async function part(folder: string, file: string, name: string, tensors: Tensors): Promise<void> {
  const all = JSON.parse(await readFile(path.join(REFERENCES, "models.json"), "utf8")) as Record<string, string>[];
  const described = all.find((one) => one["name"] === name);
  const lines = [...tensors].map(([tensor, shape]) => `${tensor} [${shape.join(", ")}]`).sort();
  if (String(fnv(lines.join("\n"))) !== described?.["names"]) throw new Error(`${name} has other tensors than the reference`);
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, "config.json"), described["config"] ?? "");
  await writeFile(path.join(folder, file), safetensors(name, tensors));
}

/** Writes a whole model to a folder. It draws in sizes that are multiples of 8, from 64. */
export async function stableDiffusion(folder: string): Promise<void> {
  const at = (...names: readonly string[]) => path.join(folder, ...names);
  await part(at("text_encoder"), "model.safetensors", "clip-quick", textEncoder());
  await part(at("unet"), "diffusion_pytorch_model.safetensors", "unet-sd", denoiser());
  await part(at("vae"), "diffusion_pytorch_model.safetensors", "vae", autoencoder());
  for (const name of ["tokenizer", "scheduler"]) await mkdir(at(name));
  for (const file of ["vocab.json", "merges.txt"]) {
    await copyFile(path.join(REFERENCES, "tokenizer", file), at("tokenizer", file));
  }
  await writeFile(at("scheduler/scheduler_config.json"), JSON.stringify(SCHEDULER));
  await writeFile(at("model_index.json"), JSON.stringify({ _class_name: "StableDiffusionPipeline" }));
}
