import { backClass } from './colours'

/** Which colour is what. */
export function Legend({ names }: { names: string[] }) {
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1 text-[0.93rem]">
      {names.map((name, index) => (
        <li key={name} className="flex min-w-0 items-center gap-1.5">
          <span className={`size-2.5 shrink-0 rounded-[3px] ${backClass(index)}`} />
          <span className="truncate">{name}</span>
        </li>
      ))}
    </ul>
  )
}
