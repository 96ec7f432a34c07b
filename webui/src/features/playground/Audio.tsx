/** Models that hear, and models that speak. */
import { at } from '@/shared/base'
import { useMutation } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { call, Failure, readFailure } from '@/shared/api/client'
import { latency } from '@/shared/format/time'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Button } from '@/shared/ui/Button'
import { Copy } from '@/shared/ui/Copy'
import { FailureFace } from '@/shared/ui/Face'
import { Field } from '@/shared/ui/Field'
import { Panel } from '@/shared/ui/Panel'
import { CurlButton } from './CurlButton'

const all = texts(
  {
    transcribe: 'Transcribe', file: 'Audio file', took: (time: string) => `took ${time}`, text: 'Transcript', empty: 'It heard nothing',
    speak: 'Speak', words: 'Text', voice: 'Voice', answer: 'The spoken text', save: 'Save', example: 'The quick brown fox jumps over the lazy dog.',
  },
  {
    transcribe: '转写', file: '音频文件', took: (time: string) => `用时 ${time}`, text: '转写结果', empty: '没有听到内容',
    speak: '朗读', words: '文本', voice: '声音', answer: '朗读结果', save: '保存', example: '床前明月光，疑是地上霜。',
  },
)

export function Transcribe({ model }: { model: string }) {
  const t = useTexts(all)
  const [file, setFile] = useState<File | null>(null)
  const transcribe = useMutation({
    mutationFn: async (audio: File) => {
      const form = new FormData()
      form.set('model', model)
      form.set('file', audio)
      const began = performance.now()
      const answer = await fetch(at('/v1/audio/transcriptions'), { method: 'POST', credentials: 'same-origin', body: form })
      if (!answer.ok) throw await readFailure(answer)
      const { text } = (await answer.json()) as { text?: string }
      if (text === undefined) throw new Failure('refused', answer.status, 'no_text', 'the answer has no text')
      return { text, ms: performance.now() - began }
    },
  })
  return (
    <Panel title={t.transcribe}>
      <form
        className="grid gap-3"
        onSubmit={(event) => {
          event.preventDefault()
          if (file) transcribe.mutate(file)
        }}
      >
        <Field label={t.file}>
          {(props) => <input {...props} type="file" accept="audio/*,video/*" className="field h-auto! py-1.5" onChange={(event) => setFile(event.target.files?.[0] ?? null)} />}
        </Field>
        <Button type="submit" kind="primary" className="justify-self-start" disabled={file === null || transcribe.isPending}>
          {t.transcribe}
        </Button>
      </form>
      {transcribe.error && <FailureFace error={transcribe.error} compact />}
      {transcribe.data && (
        <section className="mt-4 grid gap-2" aria-label={t.text}>
          <p className="whitespace-pre-wrap">{transcribe.data.text || t.empty}</p>
          <p className="flex items-center gap-3 text-muted">
            {t.took(latency(transcribe.data.ms))}
            <Copy text={transcribe.data.text} />
          </p>
        </section>
      )}
    </Panel>
  )
}

export function Speak({ model }: { model: string }) {
  const t = useTexts(all)
  const [input, setInput] = useState(t.example)
  const [voice, setVoice] = useState('')
  const body = () => ({ model, input, ...(voice.trim() ? { voice: voice.trim() } : {}) })
  const speak = useMutation({
    mutationFn: async () => {
      const began = performance.now()
      const sound = await (await call('/v1/audio/speech', { method: 'POST', body: body() })).blob()
      return { address: URL.createObjectURL(sound), type: sound.type, ms: performance.now() - began }
    },
  })
  const address = speak.data?.address
  useEffect(() => () => void (address && URL.revokeObjectURL(address)), [address])
  return (
    <Panel title={t.speak}>
      <form
        className="grid gap-3"
        onSubmit={(event) => {
          event.preventDefault()
          speak.mutate()
        }}
      >
        <Field label={t.words}>{(props) => <textarea {...props} rows={4} className="field" value={input} onChange={(event) => setInput(event.target.value)} />}</Field>
        <Field label={t.voice} className="max-w-60">
          {(props) => <input {...props} className="field" placeholder="alloy" value={voice} onChange={(event) => setVoice(event.target.value)} />}
        </Field>
        <div className="flex flex-wrap gap-2">
          <Button type="submit" kind="primary" disabled={!input.trim() || speak.isPending}>
            {t.speak}
          </Button>
          <CurlButton path="/v1/audio/speech" body={body} />
        </div>
      </form>
      {speak.error && <FailureFace error={speak.error} compact />}
      {speak.data && (
        <div className="mt-4 flex flex-wrap items-center gap-3">
          {/* eslint-disable-next-line jsx-a11y/media-has-caption -- the words are those of the field above */}
          <audio controls src={speak.data.address} aria-label={t.answer} />
          <span className="text-muted">{t.took(latency(speak.data.ms))}</span>
          <a href={speak.data.address} download={`speech.${speak.data.type.split('/')[1]?.split(/[;+]/)[0] ?? 'wav'}`} className="text-accent hover:underline">
            {t.save}
          </a>
        </div>
      )}
    </Panel>
  )
}
