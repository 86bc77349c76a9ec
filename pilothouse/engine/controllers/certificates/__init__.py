"""CertificateSigningRequests on their way: approved, signed, cleaned up."""
