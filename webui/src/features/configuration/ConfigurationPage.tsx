import { useQuery } from '@tanstack/react-query'
import { type ConfigFile, configFile } from '@/shared/config/file'
import { shell } from '@/shared/connect/fill'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useLive } from '@/shared/live/store'
import { FirstModel } from '@/shared/model/FirstModel'
import { pageTexts } from '@/shared/pages'
import { Snippet } from '@/shared/ui/Copy'
import { QueryFace } from '@/shared/ui/Face'
import { PageHead, Panel } from '@/shared/ui/Panel'
import { Editor } from './Editor'

const all = texts(
  {
    terminal: 'From a terminal',
    text: 'The file can be checked and described by the program itself. A saved change is in force at once; what needs a restart of the manager is said before it is saved.',
    commands: 'Commands',
  },
  {
    terminal: '在终端里',
    text: '程序自己可以检查并说明配置文件。保存的修改立即生效；需要重启管理器的内容会在保存前说明。',
    commands: '命令',
  },
)

export default function ConfigurationPage() {
  const t = useTexts(all)
  const names = useTexts(pageTexts)
  const empty = useLive((live) => live.loaded && live.order.length === 0)
  const config = useQuery(configFile)
  return (
    <>
      <PageHead title={names.configuration} note={config.data?.path} />
      <div className="grid grid-cols-1 gap-3">
        {empty && <FirstModel />}
        <QueryFace query={config} rows={10} compact>
          {(file) => <Editor file={file} onReload={() => void config.refetch()} />}
        </QueryFace>
        <Panel title={t.terminal}>
          <p className="mb-3">{t.text}</p>
          <Snippet title={t.commands} label={t.commands} text={commands(config.data)} />
        </Panel>
      </div>
    </>
  )
}

/** As they can be run from any folder of the manager's machine. */
function commands(file: ConfigFile | undefined): string {
  const program = shell(file?.program ?? 'llm-manager')
  const config = file ? ` --config ${shell(file.path)}` : ''
  return `${program}${config} check\n${program} schema > config.schema.json\n`
}
