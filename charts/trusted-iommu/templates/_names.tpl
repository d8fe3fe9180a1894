{{/* SPDX-License-Identifier: Apache-2.0 */}}

{{- define "trusted-iommu.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The identity that rights and policies are bound to: the same for real and simulated agents. */}}
{{- define "trusted-iommu.agent" -}}
{{- include "trusted-iommu.fullname" . -}}-agent
{{- end -}}

{{/* Cluster-scoped objects of releases in two namespaces must not collide. */}}
{{- define "trusted-iommu.clusterAgent" -}}
{{- printf "%s-%s" .Release.Namespace (include "trusted-iommu.agent" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "trusted-iommu.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: agent
{{- end -}}

{{- define "trusted-iommu.labels" -}}
{{ include "trusted-iommu.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- if .Values.simulator.enabled }}
teeio.dev/simulated: "true"
{{- end }}
{{- end -}}
