/** Ways to start a model server that people have, each as a command with one blank to fill. */
import { words } from './entry'

export const TEMPLATES = ['llamacpp', 'vllm', 'sglang', 'command', 'script'] as const
export type Template = (typeof TEMPLATES)[number]

/** What is asked for, by template: the name of a text, and an example. */
export const examples: Record<Template, string> = {
  llamacpp: 'models/qwen2.5-7b-instruct-q4_k_m.gguf',
  vllm: 'Qwen/Qwen2.5-7B-Instruct',
  sglang: 'Qwen/Qwen2.5-7B-Instruct',
  command: 'my-server --port {port}',
  script: 'scripts/my-model.sh',
}

/** What the server has to be told to serve this mode. */
const extra: Record<Template, Record<string, string[]>> = {
  llamacpp: { Embedding: ['--embedding'], Reranker: ['--reranking'] },
  vllm: { Embedding: ['--task', 'embed'], Reranker: ['--task', 'score'] },
  sglang: { Embedding: ['--is-embedding'] },
  command: {},
  script: {},
}

export function commandOf(template: Template, source: string, mode: string): string[] | null {
  const more = extra[template][mode] ?? []
  switch (template) {
    case 'llamacpp':
      return ['llama-server', '-m', source, '--port', '{port}', '--alias', '{model}', ...more]
    case 'vllm':
      return ['vllm', 'serve', source, '--port', '{port}', '--served-model-name', '{model}', ...more]
    case 'sglang':
      return ['python3', '-m', 'sglang.launch_server', '--model-path', source, '--port', '{port}', '--served-model-name', '{model}', ...more]
    case 'command':
      return words(source)
    case 'script':
      return null
  }
}

/** `models/qwen2.5-7b-q4_k_m.gguf` and `Qwen/Qwen2.5-7B` make names that clients can say. */
export function nameFrom(source: string): string {
  const last = source.trim().split(/[/\\]/).at(-1) ?? ''
  return last.replace(/\.(gguf|sh|bat|cmd|ps1|bin|safetensors)$/i, '').replace(/[^\w.-]+/g, '-').replace(/^-+|-+$/g, '')
}
