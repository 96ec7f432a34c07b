/** For a first visit: how to get a model that works. */
import { texts, useTexts } from '@/shared/i18n/texts'
import { Panel } from '@/shared/ui/Panel'
import { Snippet } from '@/shared/ui/Copy'

const all = texts(
  {
    title: 'No model is configured yet',
    intro: 'LLM-Manager starts model servers when a request asks for them. Tell it how to start one:',
    file: 'Put this into config.yaml, with the path of a model file that you have (llama-server comes with llama.cpp):',
    run: 'Check the file, and start the manager again:',
    ask: 'Then ask the model something; it is started by the question:',
    more: 'Any server that speaks OpenAI’s API and listens on the port that it is given will do: vLLM, SGLang, llama.cpp, a script of your own.',
    snippet: 'Configuration', check: 'Commands', request: 'Request',
  },
  {
    title: '还没有配置模型',
    intro: '收到请求时，LLM-Manager 会启动对应的模型服务。先告诉它如何启动：',
    file: '把下面的内容写进 config.yaml，换成你自己的模型文件路径（llama-server 随 llama.cpp 提供）：',
    run: '检查配置文件，然后重新启动管理器：',
    ask: '然后向模型提问，提问会把它启动起来：',
    more: '任何兼容 OpenAI 接口、监听指定端口的服务都可以：vLLM、SGLang、llama.cpp，或者你自己的脚本。',
    snippet: '配置', check: '命令', request: '请求',
  },
)

const CONFIG = `Local-Models:
  my-model:
    aliases: ["gpt-3.5-turbo"]
    mode: "Chat"
    CPU-Config:
      required_devices: ["cpu"]
      command: ["llama-server", "-m", "models/my-model.gguf",
                "--port", "{port}", "--alias", "{model}"]
`

export function FirstModel() {
  const t = useTexts(all)
  const request = `curl ${window.location.origin}/v1/chat/completions \\
  -H 'Content-Type: application/json' \\
  -d '{"model":"my-model","messages":[{"role":"user","content":"Hello"}]}'
`
  return (
    <Panel title={t.title} className="max-w-3xl">
      <div className="grid gap-4">
        <p>{t.intro}</p>
        <Step number={1} text={t.file}>
          <Snippet text={CONFIG} label={t.snippet} />
        </Step>
        <Step number={2} text={t.run}>
          <Snippet text={'llm-manager check\nllm-manager\n'} label={t.check} />
        </Step>
        <Step number={3} text={t.ask}>
          <Snippet text={request} label={t.request} />
        </Step>
        <p className="text-muted">{t.more}</p>
      </div>
    </Panel>
  )
}

function Step({ number, text, children }: { number: number; text: string; children: React.ReactNode }) {
  return (
    <div className="grid gap-2">
      <p>
        <span className="mr-2 inline-grid size-5 place-items-center rounded-full bg-accent-soft text-[0.86rem] font-semibold">{number}</span>
        {text}
      </p>
      {children}
    </div>
  )
}
