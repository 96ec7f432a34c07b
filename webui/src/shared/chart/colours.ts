/** Colours of series: the first eight differ, the rest share the last. */
const SERIES = 8

export const fillClasses = [
  'fill-[var(--series-1)]', 'fill-[var(--series-2)]', 'fill-[var(--series-3)]', 'fill-[var(--series-4)]', 'fill-[var(--series-5)]',
  'fill-[var(--series-6)]', 'fill-[var(--series-7)]', 'fill-[var(--series-8)]',
]

export const backClasses = [
  'bg-[var(--series-1)]', 'bg-[var(--series-2)]', 'bg-[var(--series-3)]', 'bg-[var(--series-4)]', 'bg-[var(--series-5)]',
  'bg-[var(--series-6)]', 'bg-[var(--series-7)]', 'bg-[var(--series-8)]',
]

export const strokeClasses = [
  'stroke-[var(--series-1)]', 'stroke-[var(--series-2)]', 'stroke-[var(--series-3)]', 'stroke-[var(--series-4)]', 'stroke-[var(--series-5)]',
  'stroke-[var(--series-6)]', 'stroke-[var(--series-7)]', 'stroke-[var(--series-8)]',
]

export function fillClass(index: number): string {
  return fillClasses[Math.min(index, SERIES - 1)] ?? ''
}

export function backClass(index: number): string {
  return backClasses[Math.min(index, SERIES - 1)] ?? ''
}

export function strokeClass(index: number): string {
  return strokeClasses[Math.min(index, SERIES - 1)] ?? ''
}
