/** A variant's name, and where it is if not on the manager's machine. */
export function whereItRuns({ variant, place }: { variant: string | null, place: string | null }): string | null {
  return variant && place ? `${variant} (${place})` : variant
}
