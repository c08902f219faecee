import { crashTests } from '#lib/testing/crash.ts'
import { crashScenarios } from './crash.scenarios.ts'

crashTests(crashScenarios)
