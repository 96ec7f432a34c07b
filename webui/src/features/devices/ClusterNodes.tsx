/** The nodes of a Slurm cluster: what each has, who uses it, and what is drained. Slurm gives them; nothing is set here. */
import { Link } from 'react-router'
import { type ClusterPart, useClusterParts } from '@/shared/api/devices'
import { count } from '@/shared/format/number'
import { moment } from '@/shared/format/time'
import { useLanguage } from '@/shared/i18n/language'
import { texts, useTexts } from '@/shared/i18n/texts'
import { useNow } from '@/shared/live/clock'
import { modelLink } from '@/shared/model/link'
import { Panel } from '@/shared/ui/Panel'
import { ScrollBox } from '@/shared/ui/ScrollBox'
import { Tag } from '@/shared/ui/Status'
import { health, jobWords } from './cluster'

const all = texts(
  {
    title: 'Cluster (Slurm)', note: (time: string) => `as of ${time}`, node: 'Node', partitions: 'Partitions', state: 'State', has: 'Devices', used: 'In use', jobs: 'Used by', cpus: 'CPUs', nobody: 'nobody',
    up: 'up', drained: 'drained', down: 'down', until: (time: string) => `until ${time}`,
  },
  {
    title: '集群（Slurm）', note: (time: string) => `截至 ${time}`, node: '节点', partitions: '分区', state: '状态', has: '设备', used: '使用中', jobs: '使用者', cpus: 'CPU', nobody: '无',
    up: '可用', drained: '已排空', down: '离线', until: (time: string) => `到 ${time}`,
  },
)

export function ClusterNodes() {
  const t = useTexts(all)
  const parts = useClusterParts()
  const now = new Date(useNow())
  if (parts.length === 0) return null
  const seen = parts[0]?.cluster.seen_at
  return (
    <div className="mt-3">
      <Panel title={t.title} note={seen ? t.note(moment(new Date(seen), now)) : undefined}>
        <ScrollBox label={t.title}>
          <table className="w-full">
            <thead>
              <tr>
                {[t.node, t.partitions, t.state, t.has, t.used, t.jobs].map((head) => (
                  <th key={head} scope="col" className="th">{head}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {parts.map((part) => (
                <Row key={part.id} part={part} now={now} />
              ))}
            </tbody>
          </table>
        </ScrollBox>
      </Panel>
    </div>
  )
}

const kinds = { up: 'ok', drained: 'warn', down: 'bad' } as const

function Row({ part: { online, cluster, id }, now }: { part: ClusterPart; now: Date }) {
  const t = useTexts(all)
  const language = useLanguage()
  const state = health(online, cluster.drained)
  return (
    <tr data-node={id}>
      <td className="td font-medium whitespace-nowrap">{cluster.node}</td>
      <td className="td min-w-24">{cluster.partitions.join(', ')}</td>
      <td className="td min-w-44">
        <span title={cluster.state}><Tag kind={kinds[state]}>{t[state]}</Tag></span>
        {cluster.reason && <span className="ml-2 text-muted wrap-anywhere">{cluster.reason}</span>}
      </td>
      <td className="td">{cluster.gres ?? t.cpus}</td>
      <td className="td whitespace-nowrap">{`${count(cluster.used, language)} / ${count(cluster.count, language)}`}</td>
      <td className="td min-w-56">
        {cluster.jobs.length === 0 ? <span className="text-muted">{t.nobody}</span> : (
          <ul>
            {cluster.jobs.map((job) => (
              <li key={job.id} className="wrap-anywhere">
                {job.model === null ? jobWords(job) : <Link to={modelLink(job.model.replace(/#\d+$/, ''))} className="text-accent hover:underline">{jobWords(job)}</Link>}
                {job.ends_at && <span className="text-muted">{`, ${t.until(moment(new Date(job.ends_at), now))}`}</span>}
              </li>
            ))}
          </ul>
        )}
      </td>
    </tr>
  )
}
