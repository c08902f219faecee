import type { NetworkReports } from '../driver.ts'
import { describeHost } from './describe.ts'
import { portsSeen } from './seen.ts'

/** What the clouds ask and tell; app.ts hands it to them. */
export const networkReports: NetworkReports = { describeHost, portsSeen }
