import { FolderOpen } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { useDevices } from '@/shared/api/devices'
import { mebibytes } from '@/shared/format/number'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Field, Segments, Select } from '@/shared/ui/Field'
import type { Draft } from './draft'
import { entryOf } from './draft'
import { examples, type Template, TEMPLATES } from './templates'

const FilePicker = lazy(() => import('./FilePicker').then((file) => ({ default: file.FilePicker })))

const all = texts(
  {
    how: 'How it is started', llamacpp: 'llama.cpp', vllm: 'vLLM', sglang: 'SGLang', command: 'A command', script: 'A script', file: 'Model file', repo: 'Model (name or folder)', line: 'Command', path: 'Script',
    fileHint: 'A .gguf file; relative paths start at the folder of config.yaml.', repoHint: 'As on Hugging Face, or a folder with the weights.',
    lineHint: '{port} and {model} are filled in. The server speaks OpenAI’s API on that port.', pathHint: 'It gets PORT and MODEL_NAME in its environment, and ends with `exec`.',
    name: 'Name', nameHint: 'What clients put into "model".', aliases: 'Other names', aliasesHint: 'Optional, with commas between them.', mode: 'Serves', port: 'Port', portHint: 'Optional: without it a free one is taken.',
    devices: 'Runs on', devicesHint: 'The manager makes room before it starts the model. Without any size, the memory is estimated from the model’s file.', memory: (device: string) => `Memory wanted on ${device}, MiB`, anyMemory: 'MiB',
    browse: 'Browse', of: (free: string) => `${free} in all`, chat: 'Chat', base: 'Completion (Base)', embedding: 'Embeddings', reranker: 'Reranking',
  },
  {
    how: '启动方式', llamacpp: 'llama.cpp', vllm: 'vLLM', sglang: 'SGLang', command: '命令', script: '脚本', file: '模型文件', repo: '模型（名称或目录）', line: '命令', path: '脚本',
    fileHint: '.gguf 文件；相对路径以 config.yaml 所在目录为起点。', repoHint: 'Hugging Face 上的名称，或权重所在目录。',
    lineHint: '{port} 与 {model} 会被替换。服务需在该端口上兼容 OpenAI 接口。', pathHint: '环境变量中有 PORT 和 MODEL_NAME；脚本以 `exec` 结尾。',
    name: '名称', nameHint: '客户端在 "model" 中填写的名称。', aliases: '别名', aliasesHint: '可选，用逗号分隔。', mode: '用途', port: '端口', portHint: '可选：不填则自动选择空闲端口。',
    devices: '运行设备', devicesHint: '管理器会在启动前腾出空间。都不填时，根据模型文件估算内存。', memory: (device: string) => `在 ${device} 上需要的内存（MiB）`, anyMemory: 'MiB',
    browse: '浏览', of: (free: string) => `共 ${free}`, chat: '对话', base: '补全（Base）', embedding: '嵌入', reranker: '重排',
  },
)

/** What may be chosen with the mouse: files with these endings, or a folder. A command is written. */
const endings: Partial<Record<Template, readonly string[]>> = { llamacpp: ['gguf'], vllm: [], sglang: [], script: ['sh', 'bat', 'cmd', 'ps1', 'py'] }

const asks: Record<Template, 'file' | 'repo' | 'line' | 'path'> = { llamacpp: 'file', vllm: 'repo', sglang: 'repo', command: 'line', script: 'path' }

interface Props {
  draft: Draft
  onChange: (draft: Draft) => void
}

export function DraftFields({ draft, onChange }: Props) {
  const t = useTexts(all)
  const set = (change: Partial<Draft>) => onChange({ ...draft, ...change })
  const asked = asks[draft.template]
  const [picking, setPicking] = useState(false)
  const choices = endings[draft.template]
  return (
    <div className="grid grid-cols-1 content-start gap-4">
      <div className="grid justify-items-start gap-1">
        <span className="text-[0.93rem] text-muted">{t.how}</span>
        <Segments label={t.how} value={draft.template} onChange={(template) => set({ template })} options={TEMPLATES.map((one) => [one, t[one]] as const)} />
      </div>
      <Field label={t[asked]} hint={t[`${asked}Hint`]}>
        {(props) => (
          <div className="flex gap-2">
            <input {...props} className="field" autoComplete="off" spellCheck={false} placeholder={examples[draft.template]} value={draft.source} onChange={(event) => set({ source: event.target.value })} />
            {choices && (
              <Button onClick={() => setPicking(true)} className="h-[2.15rem]!">
                <FolderOpen size={14} />
                {t.browse}
              </Button>
            )}
          </div>
        )}
      </Field>
      {picking && choices && (
        <Suspense>
          <FilePicker endings={choices} onChoose={(source) => set({ source })} onClose={() => setPicking(false)} />
        </Suspense>
      )}
      <div className="grid gap-4 sm:grid-cols-2">
        <Field label={t.name} hint={t.nameHint}>
          {(props) => <input {...props} className="field" autoComplete="off" spellCheck={false} placeholder={entryOf({ ...draft, name: '' }).name} value={draft.name} onChange={(event) => set({ name: event.target.value })} />}
        </Field>
        <Field label={t.aliases} hint={t.aliasesHint}>
          {(props) => <input {...props} className="field" autoComplete="off" spellCheck={false} placeholder="gpt-3.5-turbo" value={draft.aliases} onChange={(event) => set({ aliases: event.target.value })} />}
        </Field>
        <div className="grid content-start gap-1">
          <span className="text-[0.93rem] text-muted">{t.mode}</span>
          <Select
            label={t.mode}
            value={draft.mode}
            onChange={(mode) => set({ mode })}
            options={[['Chat', t.chat], ['Base', t.base], ['Embedding', t.embedding], ['Reranker', t.reranker]]}
            className="w-full!"
          />
        </div>
        <Field label={t.port} hint={t.portHint}>
          {(props) => <input {...props} className="field" inputMode="numeric" autoComplete="off" placeholder="10001" value={draft.port} onChange={(event) => set({ port: event.target.value.replace(/\D/g, '') })} />}
        </Field>
      </div>
      <Devices chosen={draft.devices} onChange={(devices) => set({ devices })} />
    </div>
  )
}

function Devices({ chosen, onChange }: { chosen: Draft['devices']; onChange: (devices: Draft['devices']) => void }) {
  const t = useTexts(all)
  const { devices } = useDevices()
  if (!devices || devices.length === 0) return null
  function toggle(name: string) {
    const { [name]: was, ...rest } = chosen
    onChange(was === undefined ? { ...chosen, [name]: '' } : rest)
  }
  return (
    <fieldset className="grid gap-2">
      <legend className="mb-1 text-[0.93rem] text-muted">{t.devices}</legend>
      {devices.map(({ id, name, memory_total_mb }) => (
        <div key={id} className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <label className="flex min-h-8 min-w-0 flex-1 items-center gap-2">
            <input type="checkbox" className="size-4 accent-(--accent)" checked={name in chosen} onChange={() => toggle(name)} />
            <span className="truncate">{name}</span>
            {memory_total_mb !== null && <span className="shrink-0 text-[0.9rem] text-muted">{t.of(mebibytes(memory_total_mb))}</span>}
          </label>
          {name in chosen && (
            <input
              aria-label={t.memory(name)}
              className="field w-40!"
              inputMode="numeric"
              placeholder={t.anyMemory}
              value={chosen[name]}
              onChange={(event) => onChange({ ...chosen, [name]: event.target.value.replace(/\D/g, '') })}
            />
          )}
        </div>
      ))}
      <p className="text-[0.9rem] text-muted">{t.devicesHint}</p>
    </fieldset>
  )
}
