/** For a first visit: the way to a model that works. */
import { lazy, Suspense } from 'react'
import { texts, useTexts } from '@/shared/i18n/texts'
import { Loading } from '@/shared/ui/Face'
import { Panel } from '@/shared/ui/Panel'

const AddModel = lazy(() => import('./add/AddModel').then((file) => ({ default: file.AddModel })))

const all = texts(
  {
    title: 'No model is configured yet',
    intro: 'LLM-Manager starts model servers when a request asks for them, and stops them when nobody does. Say how to start one; it is written into config.yaml, the manager restarts with it, and you can talk to the model.',
    more: 'Any server that speaks OpenAI’s API on the port that it is given will do. What this form does not ask for stands in config.yaml: see Configuration.',
  },
  {
    title: '还没有配置模型',
    intro: '有请求时 LLM-Manager 启动模型服务，无人使用时停止它。在这里说明如何启动一个模型：内容会写入 config.yaml，管理器随之重启，然后就可以和模型对话了。',
    more: '任何在指定端口上兼容 OpenAI 接口的服务都可以。此表单没有涉及的设置在 config.yaml 中，见“配置”页。',
  },
)

export function FirstModel() {
  const t = useTexts(all)
  return (
    <Panel title={t.title} className="max-w-6xl">
      <div className="grid grid-cols-1 gap-5">
        <p className="max-w-[85ch]">{t.intro}</p>
        <Suspense fallback={<Loading rows={6} />}>
          <AddModel />
        </Suspense>
        <p className="text-muted">{t.more}</p>
      </div>
    </Panel>
  )
}
